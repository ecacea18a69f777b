// Pages in folders: /about/ gives /about/index.html, and so does /about.
function handler(event) {
  var request = event.request;
  var last = request.uri.slice(request.uri.lastIndexOf("/") + 1);
  if (last === "") {
    request.uri += "index.html";
  } else if (last.indexOf(".") === -1) {
    request.uri += "/index.html";
  }
  return request;
}
