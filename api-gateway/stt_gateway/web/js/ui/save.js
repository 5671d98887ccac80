// Saves files, and copies text to the clipboard.

export const saveText = (filename, text, type = "text/plain") =>
  saveBlob(filename, new Blob([text], { type: `${type};charset=utf-8` }));

export function saveBlob(filename, blob) {
  const url = URL.createObjectURL(blob);
  const link = Object.assign(document.createElement("a"), { href: url, download: filename });
  link.click();
  // Revoking the URL immediately could cancel the download, which has only been requested.
  setTimeout(() => URL.revokeObjectURL(url), 30_000);
}

/** Copies text; true if it is on the clipboard. */
export async function copyText(text) {
  if (navigator.clipboard) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch (error) {
      if (error.name !== "NotAllowedError") throw error;
    }
  }
  // Insecure origins have no Clipboard API; execCommand needs no permission.
  const area = Object.assign(document.createElement("textarea"), { value: text, readOnly: true });
  document.body.append(area);
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  return copied;
}

const MEDIA =
  /\.(3gp|aac|ac3|aiff?|amr|avi|caf|flac|m4[abv]|mk[av]|mov|mp[34]|mpe?g|og[agv]|opus|ts|wav|web[am]|wm[av])$/i;

/** A file name that every file system accepts, without a recording's extension; "Draft 2.0" is kept whole. */
export function fileStem(name) {
  return (
    name
      .replace(MEDIA, "")
      .replace(/[\\/:*?"<>|\u0000-\u001f]/g, "_")
      .slice(0, 80) || "transcript"
  );
}
