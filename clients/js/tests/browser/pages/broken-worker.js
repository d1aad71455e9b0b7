/**
 * A service worker that stands between the page and the server (`?api=`), and answers by itself:
 * with a page, or not at all.
 */
const query = new URLSearchParams(location.search);

const answer = () =>
  query.get("answers") === "page"
    ? new Response("<!doctype html>", { headers: { "content-type": "text/html" } })
    : Response.error();

addEventListener("install", () => skipWaiting());
addEventListener("activate", (event) => event.waitUntil(clients.claim()));
addEventListener("fetch", (event) => {
  if (event.request.url.startsWith(query.get("api"))) event.respondWith(answer());
});
