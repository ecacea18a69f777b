"""What Terraform would have made for an app: cluster, service, load balancer, alarm, bucket,
and the parameter that the driver reads."""

import json


def make_world(client, app):
    ec2, ecs, elb = client("ec2"), client("ecs"), client("elbv2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{n}.0/24", AvailabilityZone=zone)["Subnet"]["SubnetId"]
        for n, zone in enumerate(["eu-central-1a", "eu-central-1b"])
    ]
    security = ec2.create_security_group(GroupName=app, Description=app, VpcId=vpc)["GroupId"]
    balancer = elb.create_load_balancer(Name=app, Subnets=subnets)["LoadBalancers"][0]["LoadBalancerArn"]
    groups = {
        colour: elb.create_target_group(
            Name=f"{app}-{colour}", Protocol="HTTP", Port=80, VpcId=vpc, TargetType="ip"
        )["TargetGroups"][0]["TargetGroupArn"]
        for colour in ["blue", "green"]
    }
    forward = [{
        "Type": "forward",
        "ForwardConfig": {"TargetGroups": [
            {"TargetGroupArn": groups["blue"], "Weight": 100},
            {"TargetGroupArn": groups["green"], "Weight": 0},
        ]},
    }]
    listener = elb.create_listener(
        LoadBalancerArn=balancer, Protocol="HTTP", Port=80, DefaultActions=forward
    )["Listeners"][0]["ListenerArn"]
    rule = elb.create_rule(
        ListenerArn=listener, Priority=10, Actions=forward,
        Conditions=[{"Field": "path-pattern", "Values": ["/api/*"]}],
    )["Rules"][0]["RuleArn"]
    group = f"/neargate/{app}"
    client("logs").create_log_group(logGroupName=group)
    ecs.create_cluster(clusterName=app, tags=[{"key": "app", "value": app}])
    family = f"{app}-api"
    first = ecs.register_task_definition(
        family=family, requiresCompatibilities=["FARGATE"], networkMode="awsvpc",
        cpu="256", memory="512",
        containerDefinitions=[{"name": "app", "image": "first", "memory": 512}],
    )["taskDefinition"]["taskDefinitionArn"]
    ecs.create_service(
        cluster=app, serviceName=family, taskDefinition=first, desiredCount=0, launchType="FARGATE",
        networkConfiguration={"awsvpcConfiguration": {"subnets": subnets, "securityGroups": [security]}},
        loadBalancers=[{"targetGroupArn": groups["blue"], "containerName": "app", "containerPort": 3000}],
    )
    client("cloudwatch").put_metric_alarm(
        AlarmName=f"{app}-success-rate", MetricName="success_rate", Namespace="neargate",
        Statistic="Average", Period=60, EvaluationPeriods=1, Threshold=99.5,
        ComparisonOperator="LessThanThreshold",
    )
    client("cloudwatch").set_alarm_state(
        AlarmName=f"{app}-success-rate", StateValue="OK", StateReason="quiet"
    )
    client("s3").create_bucket(
        Bucket=f"{app}-state", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
    )
    client("s3").create_bucket(
        Bucket=f"{app}-static", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
    )
    # Places without values, as terraform/modules/secrets makes them.
    secrets = {
        name: client("secretsmanager").create_secret(Name=f"{app}/{name}")["ARN"]
        for name in ["session", "stripe-key", "maybe", "database.main"]
    }
    for name in ["token", "salt"]:
        client("ssm").put_parameter(Name=f"/{app}/{name}", Type="SecureString", Value="unset")
        secrets[name] = f"arn:aws:ssm:eu-central-1:123456789012:parameter/{app}/{name}"
    facts = {
        "secrets": secrets,
        "kms_key": "alias/aws/ssm",
        "databases": {"main": {
            "address": f"main.{app}.example", "port": 5432, "name": "main", "username": "main",
            "url_secret": "database.main",
        }},
        "caches": {},
        "cluster": app,
        "state_bucket": f"{app}-state",
        "static_bucket": f"{app}-static",
        "repositories": {"api": f"123456789012.dkr.ecr.eu-central-1.amazonaws.com/{app}-prod/api"},
        "alarms": {"success-rate": f"{app}-success-rate"},
        "services": {"api": {
            "name": family, "family": family, "container": "app",
            "execution_role": "arn:aws:iam::123456789012:role/execution",
            "task_role": "arn:aws:iam::123456789012:role/task",
            "subnets": subnets, "security_group": security, "log_group": group,
            "target_groups": {colour: {"arn": arn} for colour, arn in groups.items()},
            "rules": {"api": rule},
            "deployment": {
                "strategy": "CANARY", "alarm_names": [f"{app}-success-rate"],
                "production_listener_rule": rule, "test_listener_rule": f"{rule}-test",
                "alternate_target_group": groups["green"],
                "load_balancer_access_role": "arn:aws:iam::123456789012:role/weights",
            },
            "secrets": {
                name.upper().replace("-", "_"): arn
                for name, arn in secrets.items() if "." not in name
            } | {"DATABASE_URL": secrets["database.main"]},
        }},
    }
    client("ssm").put_parameter(
        Name=f"/{app}/prod/neargate/driver", Type="String", Value=json.dumps(facts)
    )
    return {"rule": rule, "blue": groups["blue"], "green": groups["green"]}
