import java.time.Duration;
import java.util.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.serialization.*;

public class Client {
  public static void main(String[] args) throws Exception {
    Map<String, Object> to = Map.of("bootstrap.servers", args[0], "compression.type", "lz4");
    try (Producer<String, String> producer = new KafkaProducer<>(to, new StringSerializer(), new StringSerializer())) {
      for (int n = 0; n < 3; n++) {
        RecordMetadata sent = producer.send(new ProducerRecord<>(args[1], "k", "value " + n)).get();
        System.out.println("sent " + sent.partition() + " " + sent.offset());
      }
    }
    Map<String, Object> from = Map.of("bootstrap.servers", args[0], "group.id", "java-" + args[1],
        "auto.offset.reset", "earliest", "enable.auto.commit", false);
    try (Consumer<String, String> consumer = new KafkaConsumer<>(from, new StringDeserializer(), new StringDeserializer())) {
      consumer.subscribe(List.of(args[1]));
      int n = 0;
      while (n < 3)
        for (ConsumerRecord<String, String> got : consumer.poll(Duration.ofSeconds(20))) {
          System.out.println("got " + got.offset() + " " + got.value() + " " + got.timestamp());
          n++;
        }
      consumer.commitSync();
    }
  }
}
