"""What moto's ElastiCache lacks and Terraform needs: parameter groups, and the nodes of replication
groups.

As the ElastiCache API reference has them (CreateCacheParameterGroup, DescribeCacheParameterGroups,
DescribeCacheParameters, ModifyCacheParameterGroup, DeleteCacheParameterGroup, DescribeCacheClusters,
ModifyReplicationGroup, DeleteCacheSubnetGroup): kept as told, nothing is checked.
"""

from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult, EmptyResult
from moto.elasticache.responses import ElastiCacheResponse

GROUPS = {}  # name -> group, with its parameters


class NotFound(ServiceException):
    code = "CacheParameterGroupNotFound"
    message = "there is no such parameter group"


def arn(self, name):
    return f"arn:aws:elasticache:{self.region}:{self.current_account}:parametergroup:{name}"


def shown(group):
    return {key: value for key, value in group.items() if key not in ["parameters", "tags"]}


def named(self):
    name = self._get_params()["CacheParameterGroupName"]
    if name not in GROUPS:
        raise NotFound()
    return GROUPS[name]


def create_cache_parameter_group(self):
    asked = self._get_params()
    name = asked["CacheParameterGroupName"]
    GROUPS[name] = {
        "CacheParameterGroupName": name,
        "CacheParameterGroupFamily": asked["CacheParameterGroupFamily"],
        "Description": asked["Description"],
        "IsGlobal": False,
        "ARN": arn(self, name),
        "parameters": {},
        "tags": asked.get("Tags", []),
    }
    return ActionResult({"CacheParameterGroup": shown(GROUPS[name])})


def describe_cache_parameter_groups(self):
    if "CacheParameterGroupName" in self._get_params():
        return ActionResult({"CacheParameterGroups": [shown(named(self))]})
    return ActionResult({"CacheParameterGroups": [shown(group) for group in GROUPS.values()]})


def describe_cache_parameters(self):
    found = [
        {"ParameterName": name, "ParameterValue": value, "Source": "user", "IsModifiable": True}
        for name, value in named(self)["parameters"].items()
    ]
    return ActionResult({"Parameters": found})


def modify_cache_parameter_group(self):
    group = named(self)
    for change in self._get_params()["ParameterNameValues"]:
        group["parameters"][change["ParameterName"]] = change["ParameterValue"]
    return ActionResult({"CacheParameterGroupName": group["CacheParameterGroupName"]})


def delete_cache_parameter_group(self):
    del GROUPS[named(self)["CacheParameterGroupName"]]
    return EmptyResult()


plain_clusters = ElastiCacheResponse.describe_cache_clusters
plain_replication = ElastiCacheResponse.create_replication_group
ASKED = {}  # replication group -> what it was created with


def create_replication_group(self):
    asked = self._get_params()
    ASKED[asked["ReplicationGroupId"]] = asked
    return plain_replication(self)


# A node is a cache cluster too: "<replication group>-001" and so on.
def describe_cache_clusters(self):
    node = self._get_params().get("CacheClusterId") or ""
    asked = ASKED.get(node.rsplit("-", 1)[0])
    if asked is None:
        return plain_clusters(self)
    groups = [{"SecurityGroupId": it, "Status": "active"} for it in asked["SecurityGroupIds"]]
    parameters = asked["CacheParameterGroupName"]
    return ActionResult({"CacheClusters": [{
        "CacheClusterId": node,
        "CacheClusterStatus": "available",
        "ReplicationGroupId": asked["ReplicationGroupId"],
        "CacheNodeType": asked["CacheNodeType"],
        "Engine": asked["Engine"],
        "EngineVersion": asked["EngineVersion"] + ".0",
        "NumCacheNodes": 1,
        "CacheSubnetGroupName": asked["CacheSubnetGroupName"],
        "CacheParameterGroup": {"CacheParameterGroupName": parameters, "ParameterApplyStatus": "in-sync"},
        "SecurityGroups": groups,
        "PreferredMaintenanceWindow": asked.get("PreferredMaintenanceWindow"),
        "SnapshotWindow": asked.get("SnapshotWindow"),
        "SnapshotRetentionLimit": asked.get("SnapshotRetentionLimit"),
        "AutoMinorVersionUpgrade": asked["AutoMinorVersionUpgrade"],
        "AtRestEncryptionEnabled": asked["AtRestEncryptionEnabled"],
        "TransitEncryptionEnabled": asked["TransitEncryptionEnabled"],
        "TransitEncryptionMode": asked.get("TransitEncryptionMode"),
    }]})


# moto leaves a deleted group in the state "deleting" for ever.
def delete_replication_group(self):
    name = self._get_params()["ReplicationGroupId"]
    ASKED.pop(name, None)
    group = self.elasticache_backend.replication_groups.pop(name)
    group.status = "deleting"
    return ActionResult({"ReplicationGroup": group})


def delete_cache_subnet_group(self):
    self.elasticache_backend.cache_subnet_groups.pop(self._get_params()["CacheSubnetGroupName"])
    return EmptyResult()


def modify_replication_group(self):
    asked = self._get_params()
    ASKED[asked["ReplicationGroupId"]].update(asked)
    group = self.elasticache_backend.replication_groups[asked["ReplicationGroupId"]]
    return ActionResult({"ReplicationGroup": group})


plain_tags = ElastiCacheResponse.list_tags_for_resource


def list_tags_for_resource(self):
    kind, name = self._get_params()["ResourceName"].rsplit(":", 2)[1:]
    if kind == "parametergroup":
        return ActionResult({"TagList": GROUPS[name]["tags"]})
    return plain_tags(self)


for handler in [
    create_cache_parameter_group, describe_cache_parameter_groups, describe_cache_parameters,
    modify_cache_parameter_group, delete_cache_parameter_group, list_tags_for_resource,
    create_replication_group, describe_cache_clusters, modify_replication_group,
    delete_replication_group, delete_cache_subnet_group,
]:
    setattr(ElastiCacheResponse, handler.__name__, handler)
