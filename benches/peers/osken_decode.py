"""How many flow entries a second os-ken decodes: osken_decode.py FILE, consecutive FLOW_STATS replies.

One core, one pass over the file, which takes long enough; prints entries, seconds and entries per second.
"""

import sys
import time

from os_ken.ofproto import ofproto_v1_3_parser as parser
from os_ken.ofproto import ofproto_parser


def main():
    data = memoryview(open(sys.argv[1], "rb").read())
    messages, at = [], 0
    while at < len(data):
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        messages.append(bytes(data[at : at + length]))
        at += length
    entries = 0
    began = time.perf_counter()
    for message in messages:
        header = ofproto_parser.header(message)
        reply = parser.msg_parser(None, *header, message)
        entries += len(reply.body)
    took = time.perf_counter() - began
    print(f"os-ken: {entries} entries in {took:.3f} s, {entries / took:.0f} a second")


main()
