# Everything that differs between environments comes from the task's environment.
import os

from jupyter_server.auth import passwd

folder = os.path.dirname(os.path.abspath(__file__))
# Kernels are processes of their own, elsewhere than in this folder: they find the packages by it.
os.environ["PYTHONPATH"] = folder
os.environ["JUPYTER_PATH"] = os.path.join(folder, "share/jupyter")

c = get_config()  # noqa: F821
c.ServerApp.ip = os.environ.get("HOST", "127.0.0.1")
c.ServerApp.port = int(os.environ["PORT"])
c.ServerApp.port_retries = 0
c.ServerApp.open_browser = False
c.ServerApp.allow_remote_access = True
c.ServerApp.root_dir = os.environ["TMPDIR"]
# The same in every task and revision: who is logged in stays so through a release.
c.ServerApp.cookie_secret = os.environ["COOKIE"].encode()
c.PasswordIdentityProvider.hashed_password = passwd(os.environ["PASSWORD"])
c.PasswordIdentityProvider.password_required = True
c.LabApp.app_dir = os.path.join(folder, "share/jupyter/lab")
