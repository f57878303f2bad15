"""glib.py ADDRESS: a service as GLib makes them, with modems at paths whose parents are no objects, the first one of
another kind. It tells on stdout what is done to it."""

import sys

from gi.repository import Gio, GLib

DESCRIPTION = """<node>
<interface name="org.t.Glib.Modem">
<property name="Id" type="s" access="read"/>
<property name="Band" type="u" access="readwrite"/>
<property name="Pin" type="s" access="write"/>
<method name="Reset"><arg type="b" direction="in"/></method>
</interface>
<interface name="org.t.Glib.Other"><property name="Id" type="s" access="read"/></interface>
</node>"""
VALUES = {"Id": GLib.Variant("s", "glib"), "Band": GLib.Variant("u", 3)}


def called(_connection, _sender, _path, _interface, method, parameters, invocation):
    print(method, parameters.unpack(), flush=True)
    invocation.return_value(None)


def read(_connection, _sender, _path, _interface, name):
    return VALUES.get(name)


def written(_connection, _sender, _path, _interface, name, value):
    print(name, value.unpack(), flush=True)
    VALUES[name] = value
    return True


flags = Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION
connection = Gio.DBusConnection.new_for_address_sync(sys.argv[1], flags, None, None)
modem, other = Gio.DBusNodeInfo.new_for_xml(DESCRIPTION).interfaces
for number, interface in ((0, other), (2, modem)):
    connection.register_object(f"/org/t/Glib/Modem/{number}", interface, called, read, written)
ready = lambda *_: print("ready", flush=True)  # noqa: E731
Gio.bus_own_name_on_connection(connection, "org.t.Glib", Gio.BusNameOwnerFlags.NONE, ready, None)
GLib.MainLoop().run()
