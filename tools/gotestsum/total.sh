# The last line of make test: the passes among the events in the file $1, and
# what gotestsum found to have failed, packages without a failed test included.
echo "$(grep -c '"Action":"pass".*"Test":' "$1") passed, $((TESTS_FAILED + TESTS_ERRORS)) failed"
