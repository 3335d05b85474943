-- A dead letter may stand for many spans of one record and reason; those written before stand for one each.
ALTER TABLE dead_letters ${on_cluster} ADD COLUMN IF NOT EXISTS `count` Int64 DEFAULT 1 CODEC(ZSTD(1)) AFTER `index`;
