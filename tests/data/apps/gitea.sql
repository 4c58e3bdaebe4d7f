-- app: Gitea, Forgejo (forge)
-- orm: xorm, Go
-- remark: seconds since 1970 and booleans are INTEGER in SQLite and stay bigint
-- expect: user.id bigint
-- expect: user.created_unix bigint
-- expect: issue.content text
-- expect: session.data bytea
-- expect: language_stat.percentage double precision
CREATE TABLE `version` (`id` INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, `version` INTEGER NULL);
CREATE TABLE `user` (`id` INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, `lower_name` TEXT NOT NULL, `name` TEXT NOT NULL,
  `full_name` TEXT NULL, `email` TEXT NOT NULL, `keep_email_private` INTEGER NULL, `passwd` TEXT NOT NULL,
  `passwd_hash_algo` TEXT DEFAULT 'argon2' NOT NULL, `type` INTEGER NULL, `salt` TEXT NULL, `language` TEXT NULL,
  `created_unix` INTEGER NULL, `updated_unix` INTEGER NULL, `is_admin` INTEGER NULL, `max_repo_creation` INTEGER DEFAULT -1 NOT NULL,
  `visibility` INTEGER DEFAULT 0 NOT NULL, `theme` TEXT DEFAULT '' NOT NULL);
CREATE UNIQUE INDEX `UQE_user_lower_name` ON `user` (`lower_name`);
CREATE UNIQUE INDEX `UQE_user_name` ON `user` (`name`);
CREATE INDEX `IDX_user_created_unix` ON `user` (`created_unix`);
CREATE TABLE `repository` (`id` INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, `owner_id` INTEGER NULL, `lower_name` TEXT NOT NULL,
  `name` TEXT NOT NULL, `description` TEXT NULL, `num_stars` INTEGER NULL, `is_private` INTEGER NULL, `topics` TEXT NULL,
  `size` INTEGER DEFAULT 0 NOT NULL, `created_unix` INTEGER NULL);
CREATE UNIQUE INDEX `UQE_repository_s` ON `repository` (`owner_id`,`lower_name`);
CREATE TABLE `issue` (`id` INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, `repo_id` INTEGER NULL, `index` INTEGER NULL,
  `poster_id` INTEGER NULL, `name` TEXT NULL, `content` TEXT NULL, `is_closed` INTEGER NULL, `is_pull` INTEGER NULL,
  `deadline_unix` INTEGER NULL, `created_unix` INTEGER NULL, `closed_unix` INTEGER NULL);
CREATE UNIQUE INDEX `UQE_issue_repo_index` ON `issue` (`repo_id`,`index`);
CREATE INDEX `IDX_issue_is_closed` ON `issue` (`is_closed`);
CREATE TABLE `issue_index` (`group_id` INTEGER PRIMARY KEY NOT NULL, `max_index` INTEGER NULL);
CREATE TABLE `session` (`key` TEXT PRIMARY KEY NOT NULL, `data` BLOB NULL, `expiry` INTEGER NULL);
CREATE TABLE `language_stat` (`id` INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, `repo_id` INTEGER NOT NULL, `commit_id` TEXT NULL,
  `is_primary` INTEGER NULL, `language` TEXT NOT NULL, `percentage` REAL NULL, `size` INTEGER DEFAULT 0 NOT NULL);
CREATE UNIQUE INDEX `UQE_language_stat_s` ON `language_stat` (`repo_id`,`language`);
CREATE TABLE `system_setting` (`id` INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, `setting_key` TEXT NULL, `setting_value` TEXT NULL, `version` INTEGER NULL);
INSERT INTO `version` VALUES (1, 299);
INSERT INTO `user` VALUES
  (1,'root','root','',       'root@example.org',1,'1f2e3d','pbkdf2$50000$50',0,'9a8b','en-US',1700000000,1700000001,1,-1,0,'forgejo-auto'),
  (2,'ada','Ada','Ada Lovelace','ada@example.org',0,'5d6e7f','argon2',0,'77aa','',1700001234,1700009999,0,-1,0,''),
  (3,'käse','Käse',NULL,'kaese@example.org',0,'','argon2',1,NULL,NULL,1700001299,1700001299,0,10,2,'');
INSERT INTO `repository` VALUES (1,2,'engine','Engine','# analytical',3,0,'["math","history"]',4096,1700002000),(2,3,'notes','notes',NULL,0,1,'null',0,1700002001);
INSERT INTO `issue` VALUES (1,1,1,2,'It does not turn','Steps:' || char(13,10) || '1. turn' || char(9) || 'it 🛠',0,0,0,1700003000,0),
  (2,1,2,3,'Pull me','',1,1,NULL,1700003100,1700003200);
INSERT INTO `issue_index` VALUES (1,2);
INSERT INTO `session` VALUES ('7f3a',x'0dff81040102ff8200000000',1700090000),('9c01',NULL,1700090001);
INSERT INTO `language_stat` VALUES (1,1,'a1b2c3',1,'Go',91.3,120034),(2,1,'a1b2c3',0,'Less',8.7,11022);
INSERT INTO `system_setting` VALUES (1,'picture.disable_gravatar','true',1);
-- following
UPDATE `issue` SET `is_closed`=1, `closed_unix`=1700004000 WHERE `id`=1;
INSERT INTO `issue` (`repo_id`,`index`,`poster_id`,`name`,`content`,`is_closed`,`is_pull`,`created_unix`) VALUES (1,3,2,'Third','-- ''quoted''',0,0,1700004001);
UPDATE `issue_index` SET `max_index`=`max_index`+1 WHERE `group_id`=1;
REPLACE INTO `session` VALUES ('7f3a',x'00',1700090009);
DELETE FROM `user` WHERE `id`=3;
