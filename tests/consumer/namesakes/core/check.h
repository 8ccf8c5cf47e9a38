// A header of the consumer's own: no header of resgrad may include it.
#error "core/check.h of the consumer"
