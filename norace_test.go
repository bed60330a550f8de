//go:build !race

package fedihook_test

const raced = false
