"""The asynchronous serializer of confluent-kafka and python-schema-registry-client, without a broker: ``URL TOPIC``."""

import asyncio
import sys

from confluent_kafka.schema_registry import AsyncSchemaRegistryClient
from confluent_kafka.schema_registry._async.avro import AsyncAvroDeserializer, AsyncAvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from schema_registry.client import AsyncSchemaRegistryClient as OtherAsync
from schema_registry.client import SchemaRegistryClient as Other
from schema_registry.client import schema as schemas

url, topic = sys.argv[1:]
schema = '{"type": "record", "name": "N", "fields": [{"name": "n", "type": "int"}]}'
own = url.replace("://", "://schema-user:schema-pass-1234@")


async def confluent() -> None:
    client = AsyncSchemaRegistryClient({"url": url, "basic.auth.user.info": "schema-user:schema-pass-1234"})
    where = SerializationContext(topic, MessageField.VALUE)
    data = await (await AsyncAvroSerializer(client, schema))({"n": 3}, where)
    print(data.hex(), await (await AsyncAvroDeserializer(client))(data, where))


async def other() -> None:
    client = OtherAsync(own)
    found = await client.get_schema(f"{topic}-value")
    print(found.version, await client.check_version(f"{topic}-other", schemas.AvroSchema(schema)))


asyncio.run(confluent())
print(Other(own).register(f"{topic}-other", schemas.AvroSchema(schema)))
asyncio.run(other())
