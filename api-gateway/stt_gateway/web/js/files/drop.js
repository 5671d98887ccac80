// Accepts files dropped anywhere on the page, on any view.
import { address } from "../router.js";
import { settings } from "../ui/settings.js";

/** Adds files with the options that the user has chosen. */
export function addFiles({ files, server }, chosen) {
  const wishes = {};
  if (server.languages.includes(settings.fileLanguage)) wishes.language = settings.fileLanguage;
  if (settings.fileTranslate && server.multilingual) wishes.task = "translate";
  if (settings.filePrompt) wishes.prompt = settings.filePrompt;
  if (chosen.length) files.add([...chosen], wishes);
}

export function takeDrops(app) {
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
