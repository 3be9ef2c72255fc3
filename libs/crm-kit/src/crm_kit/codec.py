"""JSON ⇄ protobuf, compiled once per message type.

`json_format` asks the descriptor about every field of every message; here the questions are asked once
and what is left is a dictionary comprehension. Reading collects *all* wrong fields before it refuses,
with the path a caller knows ("lines[2].unitPrice") and the label people know.
"""

from crm_kit.field_names import labels, snake, value_labels
from crm_kit.json_read import MAX_DEPTH, filler, from_dict
from crm_kit.json_write import encoder, to_dict

__all__ = ["MAX_DEPTH", "encoder", "filler", "from_dict", "labels", "snake", "to_dict", "value_labels"]
