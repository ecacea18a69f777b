// Everything that differs between environments comes from the task's environment.
const path = require("path");
const bcrypt = require("bcryptjs");

module.exports = {
  uiHost: process.env.HOST || "127.0.0.1",
  uiPort: process.env.PORT,
  userDir: process.env.TMPDIR,
  flowFile: path.join(__dirname, "flows.json"),
  readOnly: true,
  credentialSecret: process.env.CREDENTIALS,
  httpAdminRoot: "/admin",
  adminAuth: {
    type: "credentials",
    users: [{ username: "rosa", password: bcrypt.hashSync(process.env.PASSWORD, 10), permissions: "*" }],
  },
  telemetry: { enabled: false, updateNotification: false },
};
