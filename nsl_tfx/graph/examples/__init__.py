"""tf.Examples in and out, for all that reads ids of examples or writes examples.

`rows` and `columns` read ids and labels, of serialized examples and of Arrow; `writing`, with
`shards`, writes examples in an order that does not depend on the workers.
"""
