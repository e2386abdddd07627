"""What the Sekoia SDK 1.27 needs around it. Each override names the SDK's file and the reason."""
