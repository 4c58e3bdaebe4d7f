-- app: Grafana (dashboards)
-- orm: xorm, Go
-- expect: dashboard.created timestamp without time zone
-- expect: dashboard.data text
-- expect: user.is_admin bigint
-- expect: alert_rule.for bigint
-- expect: secrets.value text
CREATE TABLE `migration_log` (`id` INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, `migration_id` TEXT NOT NULL, `sql` TEXT NOT NULL,
  `success` INTEGER NOT NULL, `error` TEXT NOT NULL, `timestamp` DATETIME NOT NULL);
CREATE TABLE `user` (`id` INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, `version` INTEGER NOT NULL, `login` TEXT NOT NULL, `email` TEXT NOT NULL,
  `name` TEXT NULL, `password` TEXT NULL, `is_admin` INTEGER NOT NULL, `org_id` INTEGER NOT NULL, `created` DATETIME NOT NULL,
  `updated` DATETIME NOT NULL, `last_seen_at` DATETIME NULL, `is_disabled` INTEGER NOT NULL DEFAULT 0, `is_service_account` BOOLEAN DEFAULT 0, `uid` TEXT NULL);
CREATE UNIQUE INDEX `UQE_user_login` ON `user` (`login`);
CREATE UNIQUE INDEX `UQE_user_email` ON `user` (`email`);
CREATE INDEX `IDX_user_login_email` ON `user` (`login`,`email`);
CREATE TABLE `dashboard` (`id` INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, `version` INTEGER NOT NULL, `slug` TEXT NOT NULL, `title` TEXT NOT NULL,
  `data` TEXT NOT NULL, `org_id` INTEGER NOT NULL, `created` DATETIME NOT NULL, `updated` DATETIME NOT NULL, `is_folder` INTEGER NOT NULL DEFAULT 0,
  `uid` TEXT NULL, `deleted` DATETIME NULL);
CREATE UNIQUE INDEX `UQE_dashboard_org_id_uid` ON `dashboard` (`org_id`,`uid`);
CREATE TABLE `data_source` (`id` INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, `org_id` INTEGER NOT NULL, `name` TEXT NOT NULL, `type` TEXT NOT NULL,
  `json_data` TEXT NULL, `secure_json_data` TEXT NULL, `read_only` INTEGER NULL, `created` DATETIME NOT NULL, `uid` TEXT NOT NULL DEFAULT 0);
CREATE UNIQUE INDEX `UQE_data_source_org_id_name` ON `data_source` (`org_id`,`name`);
CREATE TABLE `alert_rule` (`id` INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, `title` TEXT NOT NULL, `condition` TEXT NOT NULL, `data` TEXT NOT NULL,
  `updated` DATETIME NOT NULL, `interval_seconds` INTEGER NOT NULL DEFAULT 60, `uid` TEXT NOT NULL DEFAULT 0, `for` INTEGER NOT NULL DEFAULT 0,
  `no_data_state` TEXT NOT NULL DEFAULT 'NoData', `is_paused` INTEGER NOT NULL DEFAULT 0);
CREATE TABLE `annotation` (`id` INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, `org_id` INTEGER NOT NULL, `text` TEXT NOT NULL, `epoch` INTEGER NOT NULL,
  `epoch_end` INTEGER NOT NULL DEFAULT 0, `tags` TEXT NULL);
CREATE INDEX `IDX_annotation_org_id_epoch` ON `annotation` (`org_id`,`epoch` DESC);
CREATE TABLE `secrets` (`id` INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, `org_id` INTEGER NOT NULL, `namespace` TEXT NOT NULL, `value` TEXT NULL);
INSERT INTO migration_log VALUES (1,'create migration_log table','CREATE TABLE IF NOT EXISTS `migration_log` (...)',1,'','2024-03-01 10:00:00'),
  (2,'create user table','CREATE TABLE ...',1,'','2024-03-01 10:00:01');
INSERT INTO user VALUES (1,0,'admin','admin@localhost','','59acf18b94d7eb0694c61e60ce44c110',1,1,'2024-03-01 10:00:05','2024-03-01 10:00:05','2024-03-02 08:00:00',0,0,'u000000001'),
  (2,0,'sa-grafana','sa-grafana','sa',NULL,0,1,'2024-03-01 11:00:05','2024-03-01 11:00:05',NULL,0,1,NULL);
INSERT INTO dashboard VALUES (1,3,'home','Home','{"panels":[{"id":1,"gridPos":{"x":0,"w":12}}],"refresh":"5s"}',1,'2024-03-01 10:30:00','2024-03-04 10:30:00',0,'adhcO3','9999-12-31 23:59:59'),
  (2,1,'folder','Ordner','{}',1,'2024-03-01 10:30:00','2024-03-01 10:30:00',1,'f1',NULL);
INSERT INTO data_source VALUES (1,1,'Prometheus','prometheus','{"httpMethod":"POST"}','{}',0,'2024-03-01 10:10:00','PBFA97CFB590B2093');
INSERT INTO alert_rule VALUES (1,'High load','C','[{"refId":"A"}]','2024-03-01 10:40:00',60,'r1',300000000000,'NoData',0);
INSERT INTO annotation VALUES (1,1,'deploy',1709290000000,0,'["deploy"]'),(2,1,'',1709290000001,1709290000999,NULL);
INSERT INTO secrets VALUES (1,1,'Prometheus','WjJodg==');
-- following
UPDATE dashboard SET version = version + 1, data = '{"panels":[]}', updated = '2024-03-05 00:00:00' WHERE id = 1;
INSERT INTO annotation (org_id, text, epoch, tags) VALUES (1, 'alert "fired"', 1709290009999, '[]');
DELETE FROM dashboard WHERE id = 2;
UPDATE user SET last_seen_at = '2024-03-05 00:00:01' WHERE id = 1;
