-- app: Audiobookshelf (books)
-- orm: Sequelize, JavaScript
-- expect: libraryItems.id uuid
-- expect: libraryItems.mtime timestamp with time zone
-- expect: libraryItems.isMissing bigint
-- expect: libraryItems.libraryFiles json
-- expect: mediaProgresses.duration double precision
CREATE TABLE `SequelizeMeta` (`name` VARCHAR(255) NOT NULL UNIQUE PRIMARY KEY);
CREATE TABLE `libraries` (`id` UUID PRIMARY KEY, `name` VARCHAR(255), `displayOrder` INTEGER, `settings` JSON, `lastScan` DATETIME, `createdAt` DATETIME NOT NULL, `updatedAt` DATETIME NOT NULL);
CREATE TABLE `libraryItems` (`id` UUID PRIMARY KEY, `ino` VARCHAR(255), `path` VARCHAR(255), `mediaId` UUID, `mediaType` VARCHAR(255), `isFile` TINYINT(1), `isMissing` TINYINT(1), `mtime` DATETIME(6), `birthtime` DATETIME(6), `size` BIGINT, `libraryFiles` JSON, `createdAt` DATETIME NOT NULL, `libraryId` UUID REFERENCES `libraries` (`id`) ON DELETE SET NULL ON UPDATE CASCADE);
CREATE INDEX `library_items_created_at` ON `libraryItems` (`createdAt`);
CREATE INDEX `library_items_media_id` ON `libraryItems` (`mediaId`);
CREATE TABLE `books` (`id` UUID PRIMARY KEY, `title` VARCHAR(255), `publishedYear` VARCHAR(255), `explicit` TINYINT(1), `duration` FLOAT, `narrators` JSON, `tags` JSON, `createdAt` DATETIME NOT NULL);
CREATE INDEX `books_title` ON `books` (`title` COLLATE `NOCASE`);
CREATE TABLE `bookSeries` (`id` UUID UNIQUE, `sequence` VARCHAR(255), `createdAt` DATETIME NOT NULL, `bookId` UUID NOT NULL REFERENCES `books` (`id`) ON DELETE CASCADE ON UPDATE CASCADE, `seriesId` UUID NOT NULL, UNIQUE (`bookId`, `seriesId`), PRIMARY KEY (`bookId`, `seriesId`));
CREATE TABLE `mediaProgresses` (`id` UUID PRIMARY KEY, `mediaItemId` UUID, `duration` FLOAT, `currentTime` FLOAT, `isFinished` TINYINT(1), `finishedAt` DATETIME, `extraData` JSON, `createdAt` DATETIME NOT NULL, `userId` UUID);
INSERT INTO SequelizeMeta VALUES ('v2.15.0-series-column-unique.js');
INSERT INTO libraries VALUES ('0b16a3f0-4a5c-4f3b-9c53-a1d9d1f0a2b3','Books',1,'{"coverAspectRatio":1}',NULL,'2024-03-01 10:00:00.123 +00:00','2024-03-01 10:00:00.123 +00:00');
INSERT INTO libraryItems VALUES ('1b16a3f0-4a5c-4f3b-9c53-a1d9d1f0a2b3','12345678','/books/x','2b16a3f0-4a5c-4f3b-9c53-a1d9d1f0a2b3','book',0,0,'2024-03-01 10:00:00.000 +00:00','1970-01-01 00:00:00.000 +00:00',123456789012,'[{"ino":"1","metadata":{"size":1}}]','2024-03-01 10:00:00.123 +00:00','0b16a3f0-4a5c-4f3b-9c53-a1d9d1f0a2b3');
INSERT INTO books VALUES ('2b16a3f0-4a5c-4f3b-9c53-a1d9d1f0a2b3','Ümläut','1984',0,36000.25,'["A"]','[]','2024-03-01 10:00:00.123 +00:00'),('3b16a3f0-4a5c-4f3b-9c53-a1d9d1f0a2b3',NULL,NULL,1,0,'[]',NULL,'2024-03-01 10:00:00.124 +00:00');
INSERT INTO bookSeries VALUES ('4b16a3f0-4a5c-4f3b-9c53-a1d9d1f0a2b3','1','2024-03-01 10:00:00.123 +00:00','2b16a3f0-4a5c-4f3b-9c53-a1d9d1f0a2b3','5b16a3f0-4a5c-4f3b-9c53-a1d9d1f0a2b3');
INSERT INTO mediaProgresses VALUES ('6b16a3f0-4a5c-4f3b-9c53-a1d9d1f0a2b3','2b16a3f0-4a5c-4f3b-9c53-a1d9d1f0a2b3',36000.25,12.5,0,NULL,'{"libraryItemId":"x"}','2024-03-01 10:00:00.123 +00:00',NULL);
-- following
UPDATE `mediaProgresses` SET `currentTime`=99.125,`isFinished`=1,`finishedAt`='2024-05-01 00:00:00.000 +00:00' WHERE `id`='6b16a3f0-4a5c-4f3b-9c53-a1d9d1f0a2b3';
DELETE FROM `books` WHERE `id`='3b16a3f0-4a5c-4f3b-9c53-a1d9d1f0a2b3';
INSERT INTO `books` (`id`,`title`,`explicit`,`duration`,`narrators`,`tags`,`createdAt`) VALUES ('7b16a3f0-4a5c-4f3b-9c53-a1d9d1f0a2b3','New',0,1.0,'[]','[]','2024-05-01 00:00:00.001 +00:00');
UPDATE `libraries` SET `lastScan`='2024-05-01 00:00:00.002 +00:00', `settings`='{}';
