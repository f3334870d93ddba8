"""dramatiq: an actor and a worker."""

import sys
import threading

import dramatiq
from dramatiq.brokers.rabbitmq import RabbitmqBroker

broker = RabbitmqBroker(url=sys.argv[1])
dramatiq.set_broker(broker)
done = threading.Event()


@dramatiq.actor(queue_name="dramatiq-actor")
def greet(name: str) -> None:
    print("hello", name)
    done.set()


greet.send("Ada")
worker = dramatiq.Worker(broker, worker_threads=1, worker_timeout=100)
worker.start()
done.wait(20)
worker.stop()
broker.close()
