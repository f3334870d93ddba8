package main

import (
	"context"
	"fmt"
	"os"

	"github.com/twmb/franz-go/pkg/kgo"
)

func main() {
	ctx := context.Background()
	topic := os.Args[2]
	cl, err := kgo.NewClient(kgo.SeedBrokers(os.Args[1]), kgo.ConsumeTopics(topic), kgo.ConsumerGroup("go-"+topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.DisableAutoCommit(), kgo.AllowAutoTopicCreation())
	if err != nil {
		panic(err)
	}
	for i := 0; i < 3; i++ {
		r := &kgo.Record{Topic: topic, Key: []byte("k"), Value: []byte(fmt.Sprintf("value %d", i))}
		if err := cl.ProduceSync(ctx, r).FirstErr(); err != nil {
			panic(err)
		}
		fmt.Println("sent", r.Partition, r.Offset)
	}
	n := 0
	for n < 3 {
		fs := cl.PollFetches(ctx)
		if errs := fs.Errors(); len(errs) > 0 {
			panic(fmt.Sprint(errs))
		}
		fs.EachRecord(func(r *kgo.Record) { fmt.Println("got", r.Offset, string(r.Value), r.Timestamp.UnixMilli()); n++ })
	}
	if err := cl.CommitUncommittedOffsets(ctx); err != nil {
		panic(err)
	}
	cl.Close()
}
