const { Kafka, logLevel } = require("kafkajs");
async function main() {
  const [address, topic] = process.argv.slice(2);
  const kafka = new Kafka({ clientId: "node", brokers: [address], logLevel: logLevel.NOTHING });
  const producer = kafka.producer();
  await producer.connect();
  for (let i = 0; i < 3; i++) {
    const [sent] = await producer.send({ topic, messages: [{ key: "k", value: `value ${i}` }] });
    console.log("sent", sent.partition, sent.baseOffset);
  }
  await producer.disconnect();
  const consumer = kafka.consumer({ groupId: `node-${topic}` });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  let n = 0;
  await new Promise((resolve) => consumer.run({ eachMessage: async ({ message }) => {
    console.log("got", message.offset, message.value.toString(), message.timestamp);
    if (++n === 3) resolve();
  } }));
  await consumer.disconnect();
}
main();
