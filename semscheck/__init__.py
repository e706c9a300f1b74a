"""semscheck: why can clients not reach a cluster of Symantec Encryption Management Servers?"""

__version__ = "0.1.0"
