"""Takes messages in and brings deliveries out, by way of the ports: reception, workers, retry, supervision."""
