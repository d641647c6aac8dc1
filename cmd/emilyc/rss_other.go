//go:build !linux

package main

const maxrssUnit = 1 // ru_maxrss counts bytes
