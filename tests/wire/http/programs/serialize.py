"""Publishes and consumes with each serializer of confluent-kafka: ``BROKER URL URL_OVER_TLS TOPIC``."""

import json
import sys
import time

from confluent_kafka import Consumer, Producer
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.json_schema import JSONDeserializer, JSONSerializer
from confluent_kafka.schema_registry.protobuf import ProtobufDeserializer, ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

broker, url, url_over_tls, topic = sys.argv[1:]
where = SerializationContext(topic, MessageField.VALUE)
password = {"basic.auth.user.info": "schema-user:schema-pass-1234"}
token = {
    "bearer.auth.credentials.source": "OAUTHBEARER",
    "bearer.auth.issuer.endpoint.url": f"{url}/token",
    "bearer.auth.client.id": "shop",
    "bearer.auth.client.secret": "client-secret-9012",
    "bearer.auth.scope": "registry",
    "bearer.auth.logical.cluster": "lsrc-1",
    "bearer.auth.identity.pool.id": "pool-1",
}
over_tls = SchemaRegistryClient({"url": url_over_tls, "ssl.ca.location": "ca.pem", **password})
record = {"type": "record", "name": "User", "fields": [{"name": "password", "type": "string"}]}
avro = (AvroSerializer(over_tls, json.dumps(record)), AvroDeserializer(over_tls), {"password": "a"})

by_password = SchemaRegistryClient({"url": url, **password})
object_ = {"title": "User", "type": "object", "properties": {"city": {"type": "string"}}}
with_json = JSONDeserializer(None, schema_registry_client=by_password)
json_schema = (JSONSerializer(json.dumps(object_), by_password), with_json, {"city": "j"})

by_token = SchemaRegistryClient({"url": url, **token})
file = descriptor_pb2.FileDescriptorProto(name="shop.proto", package="shop", syntax="proto3")
field = {"name": "password", "number": 3, "type": "TYPE_STRING", "label": "LABEL_OPTIONAL"}
file.message_type.add(name="User").field.add(**field)
descriptor_pool.Default().Add(file)
user = message_factory.GetMessageClass(descriptor_pool.Default().FindMessageTypeByName("shop.User"))
new = {"use.deprecated.format": False}
protobuf = (ProtobufSerializer(user, by_token, new), ProtobufDeserializer(user, new, by_token), user(password="b"))

kinds = (avro, json_schema, protobuf)
producer = Producer({"bootstrap.servers": broker})
for number, (serialize, _, value) in enumerate(kinds):
    place = SerializationContext(f"{topic}-{number}", MessageField.VALUE)
    producer.produce(topic, serialize(value, place), str(number), partition=0)
assert producer.flush(30) == 0
consumer = Consumer({"bootstrap.servers": broker, "group.id": topic, "auto.offset.reset": "earliest"})
consumer.subscribe([topic])
got, ends = 0, time.monotonic() + 60
while got < len(kinds) and time.monotonic() < ends:
    message = consumer.poll(5)
    if message is not None and not message.error():
        kind = kinds[int(message.key())]  # a retry may have put one behind another
        print(message.value().hex(), str(kind[1](message.value(), where)).strip())
        got += 1
consumer.close()
