// Images to search with: files that are chosen, pasted, or dropped.

import { notice } from "./notice.js";

const $ = (id) => document.getElementById(id);

/** `add(file)` is told of each image. */
export function watch(add) {
  $("file").onchange = () => {
    if ($("file").files.length) add($("file").files[0]);
    $("file").value = "";
  };
  document.onpaste = (event) => {
    const file = [...(event.clipboardData?.files ?? [])].find((x) => x.type.startsWith("image/"));
    if (file) {
      event.preventDefault();
      add(file);
    }
  };
  window.ondragover = (event) => {
    event.preventDefault();
    document.body.classList.add("dropping");
  };
  window.ondragleave = (event) => event.relatedTarget || document.body.classList.remove("dropping");
  window.ondrop = (event) => {
    event.preventDefault();
    document.body.classList.remove("dropping");
    if (event.dataTransfer.files.length) add(event.dataTransfer.files[0]);
    else if (event.dataTransfer.types.includes("text/uri-list")) explainDrop();
  };
}

/** What an image that was dragged out of a page needs: of that, only its address is to be had. */
function explainDrop() {
  const close = ["All right", () => ($("notice").hidden = true)];
  notice("That image is not a file", "Save it and drop the file, or copy it and paste it here.", close);
  scrollTo({ top: 0 });
}
