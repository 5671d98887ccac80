// Files that the server cannot transcribe, by their names: told before anything is uploaded. Pure.
// The server decides by content, so an unknown name is no reason to refuse a file.

const EXTENSIONS = new Set(
  [
    "m3u m3u8 pls asx xspf cue mpd smil sdp", // name other files
    "mid midi kar rmi", // notes without sound
    "aa aax aaxc m4p ds2", // encrypted
    "ape dsf dff mpc ra rm tak ofr shn dav swf", // not decoded
    "srt vtt ass ssa sub sbv lrc txt md rtf pdf doc docx odt xls xlsx ppt pptx epub htm html csv json xml",
    "jpg jpeg png gif webp bmp tif tiff heic heif avif svg",
    "zip rar 7z gz tgz bz2 xz zst tar iso exe dmg",
  ].flatMap((line) => line.split(" ")),
);

/** Why this file is not uploaded: the code of an error, or null. `file`: {name, size}. */
export function refusal({ name, size }) {
  if (size === 0) return "empty_file";
  const [extension] = /[^.]*$/.exec(name.toLowerCase());
  return EXTENSIONS.has(extension) && extension.length < name.length ? "unsupported_media" : null;
}
