"""Bodies that schemathesis does not know are bytes."""

import schemathesis

for media_type in ("application/vnd.lanekeeper.batch", "application/pkcs10"):
    schemathesis.serializer.alias(media_type, "application/octet-stream")
