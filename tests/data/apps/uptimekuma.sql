-- app: Uptime Kuma (monitoring)
-- orm: RedBeanNode and Knex, JavaScript
-- expect: heartbeat.time timestamp without time zone
-- expect: heartbeat.important boolean
-- expect: monitor.active boolean
-- expect: stat_minutely.ping double precision
-- expect: stat_minutely.timestamp bigint
CREATE TABLE `user` (id INTEGER not null primary key autoincrement, username VARCHAR(255) not null unique, password VARCHAR(255), active BOOLEAN default 1 not null, timezone VARCHAR(150), twofa_secret VARCHAR(64), twofa_status BOOLEAN default 0 NOT NULL);
CREATE TABLE notification (id INTEGER not null primary key autoincrement, name VARCHAR(255), config VARCHAR(255), active BOOLEAN default 1 not null, user_id INTEGER not null, is_default BOOLEAN default 0 NOT NULL);
CREATE TABLE "monitor" (id INTEGER not null primary key autoincrement, name VARCHAR(150), active BOOLEAN default 1 not null, user_id INTEGER references user on update cascade on delete set null, interval INTEGER default 20 not null,
  url TEXT, type VARCHAR(20), weight INTEGER default 2000, hostname VARCHAR(255), port INTEGER, created_date DATETIME default (DATETIME('now')) not null, keyword VARCHAR(255), maxretries INTEGER NOT NULL DEFAULT 0,
  accepted_statuscodes_json TEXT default '["200-299"]' not null, retry_interval INTEGER default 0 not null, upside_down BOOLEAN default 0 not null, timeout DOUBLE default 0 not null);
CREATE TABLE heartbeat (id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, important BOOLEAN NOT NULL DEFAULT 0, monitor_id INTEGER NOT NULL, status SMALLINT NOT NULL, msg TEXT, time DATETIME NOT NULL, ping INTEGER, duration INTEGER NOT NULL DEFAULT 0, down_count INTEGER NOT NULL DEFAULT 0, end_time DATETIME,
  CONSTRAINT FK_monitor FOREIGN KEY (monitor_id) REFERENCES monitor (id) ON DELETE CASCADE ON UPDATE CASCADE);
CREATE INDEX monitor_important_time_index ON heartbeat (monitor_id, important, time);
CREATE INDEX monitor_id ON heartbeat (monitor_id);
CREATE INDEX important on heartbeat (important);
CREATE TABLE setting (id INTEGER PRIMARY KEY AUTOINCREMENT, `key` VARCHAR(200) NOT NULL UNIQUE, value TEXT, type VARCHAR(20));
CREATE TABLE monitor_notification (id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, monitor_id INTEGER NOT NULL, notification_id INTEGER NOT NULL,
  CONSTRAINT FK_1 FOREIGN KEY (monitor_id) REFERENCES monitor(id) ON DELETE CASCADE ON UPDATE CASCADE);
CREATE INDEX monitor_notification_index ON monitor_notification(monitor_id, notification_id);
CREATE TABLE `stat_minutely` (`id` integer not null primary key autoincrement, `monitor_id` integer not null, `timestamp` integer not null, `ping` float not null, `up` smallint not null, `down` smallint not null, `extras` text null default null, foreign key(`monitor_id`) references `monitor`(`id`) on delete CASCADE on update CASCADE);
CREATE UNIQUE INDEX `stat_minutely_monitor_id_timestamp_unique` on `stat_minutely` (`monitor_id`, `timestamp`);
INSERT INTO user VALUES (1,'admin','$2a$10$x',1,'Europe/Berlin',NULL,0);
INSERT INTO notification VALUES (1,'Mail','{"smtpHost":"localhost","smtpPort":25}',1,1,1);
INSERT INTO monitor VALUES (1,'Site',1,1,60,'https://example.org','http',2000,NULL,NULL,'2024-03-01 10:00:00',NULL,1,'["200-299"]',60,0,48.0),(2,'DNS',0,NULL,20,NULL,'dns',2000,'1.1.1.1',53,'2024-03-01 10:01:00','ok',0,'["200-299"]',0,1,0.5);
INSERT INTO heartbeat VALUES (1,1,1,1,'200 - OK','2024-03-01 10:00:00.123',102,0,0,NULL),(2,0,1,1,'200 - OK','2024-03-01 10:01:00.000',99,60,0,'2024-03-01 10:02:00.001'),(3,1,1,0,'connect ECONNREFUSED','2024-03-01 10:02:00.999',NULL,60,1,NULL);
INSERT INTO setting VALUES (1,'jwtSecret','$2a$10$y',NULL),(2,'trustProxy','false','general');
INSERT INTO monitor_notification VALUES (1,1,1);
INSERT INTO stat_minutely VALUES (1,1,1709287200,102.5,1,0,NULL),(2,1,1709287260,0,0,1,'{"pingMin":0}');
-- following
INSERT INTO heartbeat (important, monitor_id, status, msg, time, ping, duration) VALUES (0, 1, 1, '200 - OK', '2024-03-01 10:03:00.005', 88, 60);
DELETE FROM heartbeat WHERE time < '2024-03-01 10:01:00';
UPDATE setting SET value = 'true' WHERE key = 'trustProxy';
UPDATE stat_minutely SET ping = (ping * up + 88) / (up + 1), up = up + 1 WHERE id = 1;
