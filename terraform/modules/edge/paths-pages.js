// Pages in folders: /about/ gives /about/index.html, and so does /about. Hidden paths are left alone:
// /.well-known/ holds files without an ending.
function handler(event) {
  var request = event.request;
  if (request.uri.indexOf("/.") !== -1) {
    return request;
  }
  var last = request.uri.slice(request.uri.lastIndexOf("/") + 1);
  if (last === "") {
    request.uri += "index.html";
  } else if (last.indexOf(".") === -1) {
    request.uri += "/index.html";
  }
  return request;
}
