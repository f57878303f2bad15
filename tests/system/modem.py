"""A modem that speaks as many AT commands as ModemManager needs to register it: modem.py NAME [SIM], on the abstract socket
of that name, in the network namespace that it runs in. The file SIM has IMSI and ICCID of the card that is in it now; then
it ends with its standard input."""

import os
import socket
import sys
import threading
from pathlib import Path

PLACE = '"00C3","0000F1A2"'
SAYS = {
    "ATI": "Acme\r\nOMA9", "AT+CGMI": "Acme", "AT+GMI": "Acme", "AT+CGMM": "OMA9", "AT+GMM": "OMA9",
    "AT+CGMR": "1.2.3", "AT+GMR": "1.2.3", "AT+CGSN": "356938035643809", "AT+GSN": "356938035643809",
    "AT+GCAP": "+GCAP: +CGSM", "AT+CPIN?": "+CPIN: READY", "AT+CFUN?": "+CFUN: 1", "AT+CSQ": "+CSQ: 20,99",
    "AT+CIMI": "001010123456789", "AT+CNUM": '+CNUM: "","+15551234567",145',
    "AT+CREG?": f"+CREG: 2,1,{PLACE},2", "AT+CGREG?": f"+CGREG: 2,1,{PLACE},2", "AT+CEREG?": f"+CEREG: 2,1,{PLACE},7",
    "AT+COPS?": '+COPS: 0,2,"00101",7', "AT+COPS=3,2;+COPS?": '+COPS: 0,2,"00101",7',
    "AT+COPS=3,0;+COPS?": '+COPS: 0,0,"TestNet",7', "AT+WS46=?": "+WS46: (12,22,25,28,29)",
    "AT+CGDCONT=?": '+CGDCONT: (1-16),"IP",,,(0-2),(0-4)\r\n+CGDCONT: (1-16),"IPV4V6",,,(0-2),(0-4)',
    "AT+CGDCONT?": '+CGDCONT: 1,"IP","internet","",0,0', "AT+CGACT?": "+CGACT: 1,0",
    "AT+CSCS=?": '+CSCS: ("IRA","UCS2","GSM")', "AT+CSCS?": '+CSCS: "IRA"',
    "AT+CRSM=176,12258,0,0,10": '+CRSM: 144,0,"98101032547698103214"',
    "AT+CRSM=192,28589": '+CRSM: 144,0,"000000046FAD0400118A010100"',
    "AT+CRSM=176,28589,0,0,4": '+CRSM: 144,0,"00000002"',
}  # fmt: skip
TAKES = (
    "ATV1", "ATZ", "ATE", "ATX4", "AT&C1", "AT+CMEE=1", "AT+CREG=", "AT+CGREG=", "AT+CEREG=", "AT+CSCS=", "AT+CFUN=",
    "AT+IFC", "AT+COPS=0",
)  # fmt: skip


def card():
    """What the SIM card says. Of an ICCID, each two digits are the wrong way round."""
    if len(sys.argv) < 3:
        return {}
    imsi, iccid = Path(sys.argv[2]).read_text().split()
    turned = "".join(iccid[at + 1] + iccid[at] for at in range(0, len(iccid), 2))
    return {"AT+CIMI": imsi, "AT+CRSM=176,12258,0,0,10": f'+CRSM: 144,0,"{turned}"'}


def answer(command):
    if command in (of_card := card()):
        return f"\r\n{of_card[command]}\r\n\r\nOK\r\n"
    if command in SAYS:
        return f"\r\n{SAYS[command]}\r\n\r\nOK\r\n"
    takes = command == "AT" or command.startswith(TAKES) and "?" not in command
    return "\r\nOK\r\n" if takes else "\r\nERROR\r\n"


def serve(line):
    waiting = b""
    while received := line.recv(4096):
        *commands, waiting = (waiting + received).split(b"\r")
        for command in commands:
            if command.strip():
                line.sendall(answer(command.decode("latin1").strip().upper()).encode())


def end():
    sys.stdin.read()
    os._exit(0)


if len(sys.argv) > 2:
    threading.Thread(target=end, daemon=True).start()
listening = socket.socket(socket.AF_UNIX)
# ModemManager's own name for it, in which its test profiles say "abstract:NAME".
listening.bind(f"\0abstract:{sys.argv[1]}")
listening.listen()
print("listening", flush=True)
while True:
    threading.Thread(target=serve, args=(listening.accept()[0],), daemon=True).start()
