"""Tags of scalable targets, which moto lacks and Terraform reads: Application Auto Scaling API,
RegisterScalableTarget and ListTagsForResource.
"""

import json

from moto.applicationautoscaling.responses import ApplicationAutoScalingResponse

TAGS = {}  # ARN of the target -> tags
plain_register = ApplicationAutoScalingResponse.register_scalable_target


def register_scalable_target(self):
    answer = plain_register(self)
    TAGS.setdefault(json.loads(answer)["ScalableTargetARN"], self._get_param("Tags") or {})
    return answer


def list_tags_for_resource(self):
    return json.dumps({"Tags": TAGS.get(self._get_param("ResourceARN"), {})})


for handler in [register_scalable_target, list_tags_for_resource]:
    setattr(ApplicationAutoScalingResponse, handler.__name__, handler)
