package main

import (
	"fmt"
	"slices"
)

func median(list []float64) float64 {
	s := slices.Sorted(slices.Values(list))
	if n := len(s); n%2 == 0 {
		return (s[n/2-1] + s[n/2]) / 2
	}
	return s[len(s)/2]
}

// ratios is the median over the rounds of own's median to other's, with the least and the largest: what changes from round
// to round, such as the load of the machine, meets both.
func ratios(own, other [][]float64) string {
	var list []float64
	for i := range min(len(own), len(other)) {
		if len(other[i]) > 0 {
			list = append(list, median(own[i])/median(other[i]))
		}
	}
	if len(list) == 0 {
		return "–"
	}
	return fmt.Sprintf("%.2f (%.2f–%.2f)", median(list), slices.Min(list), slices.Max(list))
}
