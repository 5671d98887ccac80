// Accepts files dropped anywhere on the page, on any view.
import { keytermsOf, REDACTED } from "../live/session_query.js";
import { address } from "../router.js";
import { settings } from "../ui/settings.js";

/** Adds files with the options that the user has chosen. */
export function addFiles({ files, server }, chosen) {
  const parameters = {};
  const language = server.languageFor(settings.fileLanguage);
  if (language !== "auto") parameters.language = language;
  if (settings.fileTranslate && server.isMultilingual) parameters.task = "translate";
  if (settings.fileChannels) parameters.channel_mode = "auto";
  if (settings.fileSpeakers) parameters.speakers = "auto";
  if (settings.fileKnown) parameters.known_speakers = "true";
  if (settings.fileRedact) parameters.redact = REDACTED;
  if (settings.filePrompt) parameters.prompt = settings.filePrompt;
  const keyterms = keytermsOf(settings.fileKeyterms);
  if (keyterms) parameters.keyterms = keyterms;
  if (chosen.length) files.add([...chosen], parameters);
}

/** Accepts dropped files; while some are dragged over the page, it has the class "dropping". */
export function acceptDrops(app) {
  const { classList } = document.documentElement;
  let depth = 0;
  const listen = (kind, action) =>
    window.addEventListener(kind, (event) => {
      if (event.dataTransfer?.types.includes("Files")) action(event);
    });
  const end = () => {
    depth = 0;
    classList.remove("dropping");
  };
  listen("dragenter", (event) => {
    event.preventDefault();
    depth += 1;
    classList.add("dropping");
  });
  listen("dragover", (event) => event.preventDefault());
  listen("dragleave", () => {
    depth -= 1;
    if (depth <= 0) end();
  });
  listen("drop", (event) => {
    event.preventDefault();
    end();
    addFiles(app, event.dataTransfer.files);
    location.hash = address("files");
  });
}
