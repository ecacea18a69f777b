// A single-page application: a path without a file of its own gives the start page. Assets and hidden
// paths never do; with another ending only when a browser goes there, as to /users/j.doe.
var assets = "apng atom avif bmp css csv gif gz ico ics jpeg jpg js json m4a map md mjs mov mp3 mp4 ogg otf pdf png rss svg ttf txt vtt wasm wav webm webmanifest webp woff woff2 xml zip".split(" ");

function navigates(headers) {
  var mode = headers["sec-fetch-mode"];
  if (mode) {
    return mode.value === "navigate";
  }
  var accept = headers["accept"];
  return accept !== undefined && accept.value.toLowerCase().indexOf("text/html") !== -1;
}

function handler(event) {
  var request = event.request;
  if (request.uri.indexOf("/.") !== -1) {
    return request;
  }
  var last = request.uri.slice(request.uri.lastIndexOf("/") + 1);
  var dot = last.lastIndexOf(".");
  var ending = last.slice(dot + 1).toLowerCase();
  // A page that exists is asked for as it is: whether one does is not known here.
  var page = ending === "html" || ending === "htm" || ending === "xhtml";
  var own = dot === -1 || (assets.indexOf(ending) === -1 && !page && navigates(request.headers || {}));
  if (own) {
    request.uri = "/index.html";
  }
  return request;
}
