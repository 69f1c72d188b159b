-- The left end of the pipe: aggregated where the samples are.
COPY (
@statistics
) TO STDOUT (FORMAT binary);
