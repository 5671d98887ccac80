// Entries of the download menu for a stored transcript as a document, which the server makes.
import { t } from "../i18n/index.js";
import { fileStem, saveBlob } from "../ui/save.js";
import { toast } from "../ui/toast.js";
import { fetchDocument } from "./transcripts.js";

const KINDS = ["docx", "md"];

/** `transcript`: {id, created_at, name}. */
export function documentEntries(transcript) {
  const entry = (kind, hasTimes) => ({
    text: t(hasTimes ? `format.${kind}` : `format.${kind}_plain`),
    async onclick() {
      try {
        saveBlob(`${fileStem(transcript.name)}.${kind}`, await fetchDocument(transcript, kind, hasTimes));
      } catch (error) {
        toast(error.message || t("files.unreachable"));
      }
    },
  });
  return KINDS.flatMap((kind) => [entry(kind, true), entry(kind, false)]);
}
