"""A real SMTP server for the tests: takes mail on loopback and prints each message as a line of JSON."""
import json
import sys
import time

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("nobody@"):
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        mail = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "data": envelope.content.decode("utf8", "replace"),
        }
        print(json.dumps(mail), flush=True)
        return "250 taken"


def authenticate(server, session, envelope, mechanism, login):
    if login.password == b"later":
        return AuthResult(success=False, handled=False, message="454 4.7.0 Temporary authentication failure")
    known = (login.login, login.password) == (b"alerts", b"s3cret")
    return AuthResult(success=known, handled=False)


port, needs_login = int(sys.argv[1]), sys.argv[2] == "login"
options = {"authenticator": authenticate, "auth_required": True, "auth_require_tls": False} if needs_login else {}
controller = Controller(Handler(), hostname="127.0.0.1", port=port, **options)
controller.start()
print("ready", flush=True)
while True:
    time.sleep(60)
