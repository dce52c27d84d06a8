# fish looks for a file that is named after the command: both are in the other file.
source (status dirname)/flagman.fish
