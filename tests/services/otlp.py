"""Writes a log as OTLP with protobuf's own writers: otlp.py LOG FOLDER.

Each file has the lines as bodies of log records; of a JSON log also its fields, as attributes of the records (attributes)
and as their bodies (fields).
"""

import json
import pathlib
import sys

from google.protobuf.json_format import MessageToJson
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

RECORDS_PER_REQUEST = 100


def any_value(value):
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    return AnyValue(string_value=value)


def key_values(line):
    return [KeyValue(key=key, value=any_value(value)) for key, value in json.loads(line).items()]


def body(record, line):
    record.body.string_value = line


def attributes(record, line):
    record.body.string_value = json.loads(line)["message"]
    record.attributes.extend(key_values(line))


def fields(record, line):
    record.body.kvlist_value.values.extend(key_values(line))


def requests(lines, fill):
    for start in range(0, len(lines), RECORDS_PER_REQUEST):
        request = ExportLogsServiceRequest()
        resource = request.resource_logs.add()
        resource.resource.attributes.append(KeyValue(key="host.name", value=AnyValue(string_value="h")))
        scope = resource.scope_logs.add()
        for place, line in enumerate(lines[start : start + RECORDS_PER_REQUEST]):
            record = scope.log_records.add()
            record.time_unix_nano = record.observed_time_unix_nano = 1795000000000000000 + (start + place) * 1000
            fill(record, line)
        yield request


def write(name, lines, fill):
    all_requests = list(requests(lines, fill))
    forms = {
        "pretty": {},
        "lines": {"indent": None},
        "names": {"indent": None, "preserving_proto_field_name": True},
        "defaults": {"indent": None, "always_print_fields_with_no_presence": True},
    }
    for form, options in forms.items():
        text = "".join(MessageToJson(request, **options) + "\n" for request in all_requests)
        (folder / f"{name}.{form}").write_text(text)
    packed = [request.SerializeToString() for request in all_requests]
    # As the collector's file exporter has it: each message behind its length.
    framed = b"".join(len(message).to_bytes(4, "big") + message for message in packed)
    (folder / f"{name}.binary").write_bytes(framed)


log, folder = (pathlib.Path(argument) for argument in sys.argv[1:])
content = log.read_text().splitlines()
write("body", content, body)
if content[0].startswith("{"):
    write("attributes", content, attributes)
    write("fields", content, fields)
