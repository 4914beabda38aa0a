// The service behind the page. Every failure is a Refusal with one sentence.

export class Refusal extends Error {
  constructor(status, sentence) {
    super(sentence);
    this.status = status;
  }
}

async function ask(path, options = {}) {
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refusal(0, "The service does not answer. Is it still running?");
  }
  if (response.ok) return response.json();
  const said = await response.json().catch(() => ({}));
  throw new Refusal(response.status, said.error ?? `The service answered ${response.status}.`);
}

export function stats() {
  return ask("stats");
}

export function search(request, signal) {
  const headers = { "Content-Type": "application/json" };
  return ask("search", { method: "POST", headers, body: JSON.stringify(request), signal });
}

/** The vector of an image file. */
export async function embed(file) {
  const form = new FormData();
  form.append("images", file);
  const { vectors } = await ask("embed_image", { method: "POST", body: form });
  return vectors[0];
}

/** Kept in a cookie, since thumbnails are fetched without headers of ours. */
export function keepKey(key) {
  document.cookie = `clipvec_key=${encodeURIComponent(key)}; SameSite=Strict; path=/`;
}
