"""The gateway of ``flagmanctl page``: lets browsers of this machine in, and passes their requests on to a daemon."""
