"""The formats that ``flagmanctl convert`` reads, one in a module, and the configuration file that it makes of them."""
