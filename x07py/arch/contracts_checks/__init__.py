"""One file a contract domain: rr, budgets, msg, msg_kafka, msg_amqp."""
