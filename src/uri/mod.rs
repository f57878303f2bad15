//! Addresses: ClientURI for nodes of this device (TS 6.1), ServerURI for servers (TS 6.2).
