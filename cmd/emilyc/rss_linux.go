package main

const maxrssUnit = 1 << 10 // ru_maxrss counts KiB
