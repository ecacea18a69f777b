"""moto's server, with the little of ECS that it lacks. It ends when its standard input closes.

What is added is a model of ECS, not ECS: it tells what the driver does with an answer, and
nothing about AWS. Each addition names the page of the ECS or ELB API reference it follows.
It prints `ready PORT`; `POST /control/NAME` with JSON calls one of CONTROLS.
"""

import json
import math
import sys
import threading

import boto3
from moto.cloudwatch import models as cloudwatch_models
from moto.ecs import models as ecs_models
from moto.ecs import responses as ecs
from moto.elbv2 import responses as elb
from moto.ssm import responses as ssm
from moto.core.responses import ActionResult
from moto.core.utils import utcnow
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

import cache  # noqa: F401  adds what moto's ElastiCache lacks
import scaling  # noqa: F401  and its Application Auto Scaling
from world import make_world

DEPLOYMENTS = {}  # ARN -> deployment
SCRIPTS = {}  # ECS service name -> statuses that its next deployment goes through
EXITS = {}  # family, or family and last argument -> (exit code, log line) of its jobs
FAULTS = []  # answers given instead of moto's
CALLS = []  # names of ECS calls with the body
TASKS = {}  # ECS service name -> its running task
LOCK = threading.Lock()

Responses = ecs.EC2ContainerServiceResponse


def name_of(text):
    return text.split("/")[-1]


# UpdateService: a new task definition begins a service deployment (ECS API, UpdateService).
plain_update = Responses.update_service


def update_service(self):
    name = name_of(self._get_param("service"))
    cluster = self._get_param("cluster")
    backend = self.ecs_backend
    before = backend._get_service(cluster, name).task_definition
    answer = plain_update(self)
    wanted = self._get_param("taskDefinition")
    if wanted and wanted != before:
        arn = f"arn:aws:ecs:{self.region}:1:service-deployment/{cluster}/{name}/{len(DEPLOYMENTS)}"
        script = SCRIPTS.pop(name, ["IN_PROGRESS", "SUCCESSFUL"])
        DEPLOYMENTS[arn] = {
            "service": name, "cluster": cluster, "before": before, "to": wanted,
            "script": list(script), "status": "PENDING", "at": utcnow(),
        }
    return answer


# CreateService: moto leaves a new service at 0 running tasks; here they run at once.
plain_create = Responses.create_service


def create_service(self):
    answer = plain_create(self)
    service = self.ecs_backend._get_service(
        self._get_param("cluster"), self._get_param("serviceName")
    )
    service.running_count, service.pending_count = service.desired_count, 0
    return answer


# ECS API, ListServiceDeployments: briefs of the deployments of a service.
def list_service_deployments(self):
    name = name_of(self._get_param("service"))
    cluster = self._get_param("cluster")
    found = [
        {"serviceDeploymentArn": arn, "status": it["status"], "createdAt": it["at"]}
        for arn, it in DEPLOYMENTS.items()
        if it["service"] == name and it["cluster"] == cluster
    ]
    return ActionResult({"serviceDeployments": found})


# ECS API, ServiceDeployment: each look takes the next status of the script; the last one stays.
# ROLLBACK_SUCCESSFUL means that the service has its former task definition again.
def describe_service_deployments(self):
    found = []
    for arn in self._get_param("serviceDeploymentArns"):
        it = DEPLOYMENTS[arn]
        if it["script"]:
            it["status"] = it["script"].pop(0)
        service = self.ecs_backend._get_service(it["cluster"], it["service"])
        if it["status"] == "ROLLBACK_SUCCESSFUL":
            service.task_definition = it["before"]
        reason = "tasks failed to start" if "ROLLBACK" in it["status"] else None
        found.append({
            "serviceDeploymentArn": arn, "status": it["status"], "statusReason": reason,
            "createdAt": it["at"],
            "targetServiceRevision": {
                "requestedTaskCount": service.desired_count,
                "runningTaskCount": service.running_count,
            },
        })
    return ActionResult({"serviceDeployments": found})


# ECS API, StopServiceDeployment with stopType ROLLBACK.
def stop_service_deployment(self):
    arn = self._get_param("serviceDeploymentArn")
    DEPLOYMENTS[arn]["script"] = ["ROLLBACK_IN_PROGRESS", "ROLLBACK_SUCCESSFUL"]
    return ActionResult({"serviceDeploymentArn": arn})


# RunTask: the exit code and a log line of a job are chosen by its family. The log stream is
# prefix/container/task (ECS developer guide, awslogs).
plain_run = Responses.run_task


def run_task(self):
    answer = plain_run(self)
    for task in answer.result["tasks"]:
        definition = self.ecs_backend.describe_task_definition(task.task_definition_arn)
        command = self._get_param("overrides")["containerOverrides"][0].get("command", [""])
        named = EXITS.get(f"{definition.family} {command[-1]}")
        code, line = named or EXITS.get(definition.family, (0, "it ran"))
        container = definition.container_definitions[0]
        for own in task.containers:
            own.exitCode = code
            own.name = container["name"]
            own.cpu, own.memory = str(own.cpu), str(own.memory)  # ECS API, Container: strings
        options = container["logConfiguration"]["options"]
        stream = f"{options['awslogs-stream-prefix']}/{container['name']}/{name_of(task.task_arn)}"
        logs = client("logs")
        logs.create_log_stream(logGroupName=options["awslogs-group"], logStreamName=stream)
        logs.put_log_events(
            logGroupName=options["awslogs-group"], logStreamName=stream,
            logEvents=[{"timestamp": int(utcnow().timestamp() * 1000), "message": line}],
        )
    return answer


# DescribeTargetHealth (ELB API): one healthy target for each running task of the services that
# register in the target group. moto registers no ECS tasks.
def describe_target_health(self):
    group = self._get_param("TargetGroupArn")
    backend = ecs_models.ecs_backends[self.current_account][self.region]
    running = sum(
        it.running_count
        for it in backend.services.values()
        if it.status == "ACTIVE" and any(lb["targetGroupArn"] == group for lb in it.load_balancers)
    )
    healthy = [
        {"Target": {"Id": f"10.0.0.{n}", "Port": 80}, "TargetHealth": {"State": "healthy"}}
        for n in range(running)
    ]
    return ActionResult({"TargetHealthDescriptions": healthy})


# ListTasks and DescribeTasks of a service: moto starts no tasks for services, so those that a test
# asked for are told. ExecuteCommand, StartSession: sessions that lead nowhere (ECS and SSM API).
plain_list, plain_describe = Responses.list_tasks, Responses.describe_tasks


def list_tasks(self):
    task = TASKS.get(self._get_param("serviceName"))
    return ActionResult({"taskArns": [task["taskArn"]]}) if task else plain_list(self)


def describe_tasks(self):
    found = [it for it in TASKS.values() if it["taskArn"] in self._get_param("tasks")]
    return ActionResult({"tasks": found}) if found else plain_describe(self)


def execute_command(self):
    session = {"sessionId": "ecs-execute-command-1", "streamUrl": "wss://x", "tokenValue": "hunter2"}
    return ActionResult({"session": session})


def start_session(self):
    return json.dumps({"SessionId": "forward-1", "StreamUrl": "wss://x", "TokenValue": "hunter2"})


def terminate_session(self):
    return json.dumps({"SessionId": self._get_param("SessionId")})


ssm.SimpleSystemManagerResponse.start_session = start_session
ssm.SimpleSystemManagerResponse.terminate_session = terminate_session


# GetMetricData: percentiles, of which moto knows none, by nearest rank (CloudWatch user guide).
plain_statistic = cloudwatch_models.Statistics.get_statistics_for_type


def get_statistics_for_type(self, stat):
    if not stat.startswith("p"):
        return plain_statistic(self, stat)
    values = sorted(self.metric_single_values_list)
    return values[max(1, math.ceil(len(values) * float(stat[1:]) / 100)) - 1]


cloudwatch_models.Statistics.get_statistics_for_type = get_statistics_for_type

for handler in [
    update_service, create_service, list_service_deployments, describe_service_deployments,
    stop_service_deployment, run_task, list_tasks, describe_tasks, execute_command,
]:
    setattr(Responses, handler.__name__, handler)
elb.ELBV2Response.describe_target_health = describe_target_health


def client(kind):
    return boto3.client(
        kind, endpoint_url=f"http://127.0.0.1:{PORT}", region_name="eu-central-1",
        aws_access_key_id="test", aws_secret_access_key="test",
    )


def files_of(bucket, begins=""):
    s3 = client("s3")
    found = []
    for item in s3.list_objects_v2(Bucket=bucket, Prefix=begins).get("Contents", []):
        it = s3.get_object(Bucket=bucket, Key=item["Key"])
        found.append({
            "key": item["Key"], "body": it["Body"].read().decode(),
            "type": it["ContentType"], "cache": it.get("CacheControl", ""),
        })
    return found


def controlled(name, body):
    if name == "world":
        return make_world(client, body["app"])
    if name == "bucket":
        here = {"LocationConstraint": "eu-central-1"}
        client("s3").create_bucket(Bucket=body["name"], CreateBucketConfiguration=here)
    if name == "script":
        SCRIPTS[body["service"]] = body["statuses"]
    if name == "exit":
        EXITS[body["family"]] = (body["code"], body["line"])
    if name == "fault":
        FAULTS.append(body)
    if name == "alarm":
        client("cloudwatch").set_alarm_state(
            AlarmName=body["name"], StateValue=body["state"], StateReason=body["reason"]
        )
    if name == "facts":
        ssm, key = client("ssm"), f"/{body['app']}/prod/neargate/driver"
        facts = json.loads(ssm.get_parameter(Name=key)["Parameter"]["Value"])
        facts["services"]["api"].update(body["api"])
        ssm.put_parameter(Name=key, Type="String", Value=json.dumps(facts), Overwrite=True)
    if name == "files":
        return files_of(body["bucket"], body.get("begins", ""))
    if name == "put":
        client("s3").put_object(Bucket=body["bucket"], Key=body["key"], Body=body["body"])
    if name == "delete":
        client("s3").delete_object(Bucket=body["bucket"], Key=body["key"])
    if name == "task":
        TASKS[body["service"]] = {
            "taskArn": f"arn:aws:ecs:eu-central-1:123456789012:task/{body['cluster']}/{body['id']}",
            "lastStatus": "RUNNING", "enableExecuteCommand": body["exec"],
            "containers": [{"name": "guard", "runtimeId": "other"},
                           {"name": "app", "runtimeId": f"{body['id']}-77"}],
        }
    if name == "value":
        client("secretsmanager").put_secret_value(SecretId=body["name"], SecretString=body["value"])
    if name == "metrics":
        client("cloudwatch").put_metric_data(**body)
    if name == "definition":
        found = client("ecs").describe_task_definition(taskDefinition=body["family"])
        return found["taskDefinition"]["containerDefinitions"][0]
    if name == "calls":
        return [call for call in CALLS if body["holds"] in call]
    return {}


def application(moto):
    def answer(environ, start):
        size = int(environ.get("CONTENT_LENGTH") or 0)
        body = environ["wsgi.input"].read(size).decode("latin-1") if size else ""
        import io

        environ["wsgi.input"] = io.BytesIO(body.encode("latin-1"))
        path = environ["PATH_INFO"]
        if path.startswith("/control/"):
            text = json.dumps(controlled(path.rsplit("/", 1)[1], json.loads(body))).encode()
            start("200 OK", [("Content-Length", str(len(text)))])
            return [text]
        action = environ.get("HTTP_X_AMZ_TARGET", "").rsplit(".", 1)[-1]
        # S3 names its calls by method and path.
        CALLS.append(f"{action or environ['REQUEST_METHOD'] + ' ' + path} {body}")
        with LOCK:
            fault = next((f for f in FAULTS if f["action"] == action and f["holds"] in body), None)
            if fault:
                fault["times"] -= 1
                if fault["times"] <= 0:
                    FAULTS.remove(fault)
        if fault:
            text = json.dumps({"__type": fault["code"], "message": fault["message"]}).encode()
            head = [("Content-Type", "application/x-amz-json-1.1"), ("Content-Length", str(len(text)))]
            start("400 Bad Request", head)
            return [text]
        return moto(environ, start)

    return answer


SERVER = make_server(
    "127.0.0.1", 0, application(DomainDispatcherApplication(create_backend_app)), threaded=True
)
PORT = SERVER.server_port
threading.Thread(target=SERVER.serve_forever, daemon=True).start()
print(f"ready {PORT}", flush=True)
sys.stdin.read()
