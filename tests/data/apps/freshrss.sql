-- app: FreshRSS (feeds)
-- orm: PDO, PHP (own SQL)
-- expect: entry.id bigint
-- expect: entry.is_read boolean
-- expect: entry.hash bytea
-- expect: feed.priority bigint
-- expect: category.name text
CREATE TABLE `category` (`id` INTEGER PRIMARY KEY AUTOINCREMENT, `name` VARCHAR(191) NOT NULL, `kind` SMALLINT DEFAULT 0, `lastUpdate` BIGINT DEFAULT 0, `error` SMALLINT DEFAULT 0, `attributes` TEXT, UNIQUE (`name`));
CREATE TABLE `feed` (`id` INTEGER PRIMARY KEY AUTOINCREMENT, `url` VARCHAR(32768) NOT NULL, `kind` SMALLINT DEFAULT 0, `category` INTEGER DEFAULT 0, `name` VARCHAR(191) NOT NULL, `description` TEXT,
  `lastUpdate` BIGINT DEFAULT 0, `priority` TINYINT(2) NOT NULL DEFAULT 10, `pathEntries` VARCHAR(4096) DEFAULT NULL, `error` BOOLEAN DEFAULT 0, `ttl` INT NOT NULL DEFAULT 0, `attributes` TEXT,
  FOREIGN KEY (`category`) REFERENCES `category`(`id`) ON DELETE SET NULL ON UPDATE CASCADE);
CREATE INDEX feed_name_index ON `feed`(`name`);
CREATE INDEX feed_priority_index ON `feed`(`priority`);
CREATE TABLE `entry` (`id` BIGINT NOT NULL, `guid` VARCHAR(767) NOT NULL, `title` VARCHAR(8192) NOT NULL, `author` VARCHAR(1024), `content` TEXT, `link` VARCHAR(16383) NOT NULL, `date` BIGINT, `lastSeen` BIGINT DEFAULT 0,
  `hash` BINARY(16), `is_read` BOOLEAN NOT NULL DEFAULT 0, `is_favorite` BOOLEAN NOT NULL DEFAULT 0, `id_feed` INTEGER, `tags` VARCHAR(2048), `attributes` TEXT, PRIMARY KEY (`id`),
  FOREIGN KEY (`id_feed`) REFERENCES `feed`(`id`) ON DELETE CASCADE ON UPDATE CASCADE, UNIQUE (`id_feed`,`guid`));
CREATE INDEX entry_is_read_index ON `entry`(`is_read`);
CREATE INDEX entry_feed_read_index ON `entry`(`id_feed`,`is_read`);
CREATE TABLE `tag` (`id` INTEGER PRIMARY KEY AUTOINCREMENT, `name` VARCHAR(191) NOT NULL, `attributes` TEXT, UNIQUE (`name`));
CREATE TABLE `entrytag` (`id_tag` INTEGER, `id_entry` BIGINT, PRIMARY KEY (`id_tag`,`id_entry`), FOREIGN KEY (`id_tag`) REFERENCES `tag` (`id`) ON DELETE CASCADE ON UPDATE CASCADE);
INSERT INTO category VALUES (1,'Uncategorized',0,0,0,NULL),(2,'Actualités',0,1709290000,0,'[]');
INSERT INTO feed VALUES (1,'https://example.org/feed?x=1&amp;y',0,1,'Example','',1709290000,10,'',0,0,'{"ssl_verify":null}'),(2,'https://b.example/rss',0,2,'B',NULL,0,-10,NULL,1,-3600,NULL);
INSERT INTO entry VALUES (1709290000123456,'guid-1','Title &lt;b&gt;','a;b','<p>Content</p>','https://example.org/1',1709280000,1709290000,x'00112233445566778899aabbccddeeff',0,0,1,'#x','{"enclosures":[]}'),
  (1709290000123457,'guid-1','Same guid, other feed',NULL,'','https://b.example/1',NULL,0,x'ff112233445566778899aabbccddeeff',1,1,2,'',NULL);
INSERT INTO tag VALUES (1,'later',NULL);
INSERT INTO entrytag VALUES (1,1709290000123456);
UPDATE entry SET is_read = 1 WHERE id = 1709290000123456;
-- following
UPDATE `entry` SET is_read = 0 WHERE id_feed = 1 AND id <= 1709290000123456;
INSERT OR IGNORE INTO `entry` VALUES (1709290000200000,'guid-2','New','','x','l',1,2,x'00',0,0,1,'','');
INSERT OR IGNORE INTO `entrytag` VALUES (1,1709290000200000),(1,1709290000123456);
DELETE FROM `entry` WHERE id = 1709290000123457;
