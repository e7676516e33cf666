"""The use cases of the router: plain functions; the door that calls one owns the transaction.

- `desk`      what they all need, and a batch of cases that change together
- `hearing`   what the other rooms say: reports, replies, messages that did not arrive
- `sweep`     what time brings
- `acting`    what people do
- `views`     what people read
- `monthly`   telling places that their monthly report is due
- `policies`  what a policy would do: preview and simulation
"""
