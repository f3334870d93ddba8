"""Histories: a program run against simulated brokers, in every order and with every fault that they may show.

A history is decided place by place (`choices`). The brokers (`kafka_log`, `kafka_group`, `kafka`, `amqp_queues`,
`amqp`) stand behind the drivers' own `Backend`; time is virtual (`clock`), the program's modules are fresh at each
start (`program`). `history` runs one, `invariants` looks for what is wrong with it, `search` chooses the next,
`shrinking` makes one short, `story` tells it, `kept` keeps it as a cassette.

Running each member in a thread of its own lost: handing over between threads costs more than a history, and a thread
that has "crashed" cannot be ended. Simulating the client libraries below the drivers lost for now: it would explore
the drivers' own code too, and costs ten times as much a message.
"""
