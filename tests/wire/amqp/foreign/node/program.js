// Publishes three messages with confirms, and takes them back.
const amqp = require("amqplib");

async function main() {
  const connection = await amqp.connect(process.argv[2]);
  const channel = await connection.createConfirmChannel();
  await channel.assertQueue("node", { autoDelete: true });
  for (let number = 0; number < 3; number++) {
    channel.sendToQueue("node", Buffer.from(`message ${number}`), { headers: { number } });
  }
  await channel.waitForConfirms();
  let seen = 0;
  await new Promise((resolve) => {
    channel.consume("node", (message) => {
      console.log(message.content.toString(), message.properties.headers.number);
      channel.ack(message);
      if (++seen === 3) resolve();
    });
  });
  await connection.close();
}

main();
