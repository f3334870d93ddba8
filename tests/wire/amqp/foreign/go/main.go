// Publishes three messages with confirms, and takes them back.
package main

import (
	"context"
	"fmt"
	"os"

	amqp "github.com/rabbitmq/amqp091-go"
)

func must[T any](value T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return value
}

func main() {
	connection := must(amqp.Dial(os.Args[1]))
	channel := must(connection.Channel())
	queue := must(channel.QueueDeclare("go", false, true, false, false, nil))
	must(0, channel.Confirm(false))
	for number := range 3 {
		message := amqp.Publishing{Body: []byte(fmt.Sprint("message ", number)), Headers: amqp.Table{"number": int32(number)}}
		confirm := must(channel.PublishWithDeferredConfirmWithContext(context.Background(), "", queue.Name, false, false, message))
		fmt.Println("confirmed:", confirm.Wait())
	}
	deliveries := must(channel.Consume(queue.Name, "", false, false, false, false, nil))
	for range 3 {
		delivery := <-deliveries
		fmt.Println(string(delivery.Body), delivery.Headers["number"])
		must(0, delivery.Ack(false))
	}
	must(0, connection.Close())
}
